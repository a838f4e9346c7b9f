import { type ChannelModel, connect, credentials } from 'amqplib';
import { reasonOf } from '../../base/connection-faults.ts';
import { definedOnly } from '../../base/defined-only.ts';
import { type BusConnection, type BusEvents, type BusPlace, RECONNECT_MS, UNACKNOWLEDGED } from './bus-connection.ts';

const HEARTBEAT_SECONDS = 60;
/** A broker that says nothing for so long while a connection begins is away. */
const CONNECT_MS = 60_000;
/** Limit of a frame; a message of a hub has some thousand bytes. */
const MAX_FRAME_BYTES = 1 << 20;

/**
 * Follows a topic of an AMQP 0-9-1 broker, as consumers of fedora-messaging do: a durable queue of our own, bound to an exchange,
 * keeps what comes while this program is away.
 */
export async function followAmqp(
  {
    broker,
    topic,
    clientId,
    isLasting,
    user,
    password,
    ca,
    cert,
    key,
    exchange,
  }: BusPlace & { readonly exchange: string },
  events: BusEvents,
): Promise<BusConnection> {
  const { protocol, hostname, port, pathname } = new URL(broker);
  const login = cert !== undefined && user === undefined ? credentials.external() : undefined;
  let connected = false;
  const server = {
    protocol: protocol.slice(0, -1),
    // Of an IPv6 address without its brackets.
    hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
    vhost: pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/',
    ...definedOnly({ port: port === '' ? undefined : Number(port), username: user, password }),
    ...{ heartbeat: HEARTBEAT_SECONDS, maxFrameSize: MAX_FRAME_BYTES },
  };
  const connection = await connect(server, {
    ...definedOnly({ ca: ca === undefined ? undefined : [ca], cert, key, credentials: login }),
    timeout: CONNECT_MS,
    recovery: {
      initialDelay: RECONNECT_MS.first,
      maxDelay: RECONNECT_MS.most,
      waitForConnect: false,
      setup: (model: ChannelModel) =>
        consume(model, { exchange, topic, queue: isLasting ? clientId : undefined }, events),
    },
  });
  connection.on('connect', () => {
    connected = true;
    events.up();
  });
  const away = (error: Error): void => {
    connected = false;
    events.down(reasonOf(error));
  };
  for (const event of ['connect-failed', 'disconnect', 'error']) connection.on(event, away);
  return { connected: () => connected, stop: () => connection.close() };
}

async function consume(
  model: ChannelModel,
  {
    exchange,
    topic,
    queue: name,
  }: { readonly exchange: string; readonly topic: string; readonly queue: string | undefined },
  events: BusEvents,
): Promise<void> {
  const channel = await model.createChannel();
  // The reason comes with what was asked of it.
  channel.on('error', () => undefined);
  const renew = (): void => void model.close().catch(() => undefined);
  channel.on('close', renew);
  await channel.prefetch(UNACKNOWLEDGED);
  const kept = name === undefined ? { exclusive: true, autoDelete: true } : { durable: true };
  const { queue } = await channel.assertQueue(name ?? '', kept);
  await channel.bindQueue(queue, exchange, topic);
  await channel.consume(queue, (message) => {
    // Without a message the broker has taken the queue away: it is made again with the next connection.
    if (message === null) return renew();
    events.message(message.content);
    channel.ack(message);
  });
}
