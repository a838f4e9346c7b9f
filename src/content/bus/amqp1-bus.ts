import { isIP } from 'node:net';
import rhea, { type EventContext, type ReceiverEvents } from 'rhea';
import { reasonOf } from '../../base/connection-faults.ts';
import { definedOnly } from '../../base/defined-only.ts';
import { type BusConnection, type BusEvents, type BusPlace, RECONNECT_MS, UNACKNOWLEDGED } from './bus-connection.ts';

/** A broker that says nothing for so long, in milliseconds, is away. */
const SILENCE_MS = 60_000;
/** The broker is told to send no larger ones; those of a hub have some thousand bytes. */
const MAX_MESSAGE_BYTES = 64 * 1024;

/** Whatever ends a connection, or the link that messages come over. */
const ENDS = ['disconnected', 'connection_error', 'connection_close', 'session_error', 'session_close'] as const;
const LINK_ENDS = ['receiver_error', 'receiver_close'] as const;

/**
 * Follows an address of an AMQP 1.0 broker, as consumers of protonmsg do. The link is durable under the id of this program, so that a
 * broker that can keeps what comes meanwhile.
 */
export function followAmqp1(place: BusPlace, events: BusEvents): BusConnection {
  const { broker, topic, clientId, isLasting, user, password, ca, cert, key } = place;
  const { protocol, hostname, port } = new URL(broker);
  const isTls = protocol === 'amqps:';
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const container = rhea.create_container({ id: clientId });
  let [isUp, stopped, delay] = [false, false, RECONNECT_MS.first as number];
  let timer: NodeJS.Timeout | undefined;
  let close = (): void => undefined;

  function begin(): void {
    const connection = container.connect({
      ...{ host, port: port === '' ? (isTls ? 5671 : 5672) : Number(port), transport: isTls ? 'tls' : 'tcp' },
      ...definedOnly({
        username: user,
        password,
        ca,
        cert,
        key,
        // The library would give an address, too, which RFC 6066 forbids.
        servername: isIP(host) === 0 ? host : '',
      }),
      ...{
        enable_sasl_external: cert !== undefined && user === undefined,
        idle_time_out: SILENCE_MS,
        reconnect: false,
      },
    } as Parameters<typeof container.connect>[0]);
    let over = false;
    const end = (why: string): void => {
      if (over) return;
      over = true;
      isUp = false;
      clearTimeout(timer);
      close();
      if (stopped) return;
      timer = setTimeout(begin, delay);
      delay = Math.min(2 * delay, RECONNECT_MS.most);
      events.down(why);
    };
    close = () => {
      connection.close();
      // One that does not answer would stay for ever.
      setTimeout(() => connection['socket']?.destroy(), 1000).unref();
    };
    timer = setTimeout(() => end(`it said nothing for ${SILENCE_MS / 1000} s`), SILENCE_MS);
    for (const event of ENDS) connection.on(event, (context: EventContext) => end(endOf(context)));
    connection.on('protocol_error', (error: Error) => end(error.message));
    connection.on('error', (error: Error) => end(error.message));
    const receiver = connection.open_receiver({
      ...{ name: clientId, credit_window: isLasting ? UNACKNOWLEDGED : 0, max_message_size: MAX_MESSAGE_BYTES },
      // Durable in any case, as the queue is that RabbitMQ compares with it.
      source: { address: topic, durable: 2, expiry_policy: isLasting ? 'never' : 'link-detach' },
    });
    for (const event of LINK_ENDS) receiver.on(event, (context: EventContext) => end(endOf(context)));
    receiver.on('receiver_open' as ReceiverEvents, () => {
      clearTimeout(timer);
      [isUp, delay] = [true, RECONNECT_MS.first];
      events.up();
    });
    receiver.on('message' as ReceiverEvents, ({ message }: EventContext) => events.message(bytesOf(message?.body)));
  }

  begin();
  return {
    connected: () => isUp,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      close();
    },
  };
}

/** Returns why, in the words of the broker, or of the connection. */
function endOf({ error, connection, session, receiver }: EventContext): string {
  const all: unknown[] = [receiver?.error, session?.error, error, connection.error];
  for (const one of all) {
    if (one instanceof Error) return reasonOf(one);
    if (typeof one !== 'object' || one === null) continue;
    for (const name of ['description', 'condition']) {
      const text: unknown = Reflect.get(one, name);
      if (typeof text === 'string' && text !== '') return text;
    }
  }
  return 'it ended the connection';
}

/** A body is a text, as protonmsg sends it, or data; what is of another kind names no tag. */
function bytesOf(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body);
  const content: unknown = typeof body === 'object' && body !== null ? (Reflect.get(body, 'content') ?? body) : body;
  return content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content) ?? '');
}
