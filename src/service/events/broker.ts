import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Aedes, type Client } from 'aedes';
import pLimit from 'p-limit';
import type { MqttTriggerConfig } from '../../config/config.ts';
import { addressGroup } from '../http/address.ts';
import { listening } from '../http/listen.ts';
import type { ServiceLog } from '../service-log.ts';
import { createCrowd, type Member } from './crowd.ts';
import { createGuesses } from './guesses.ts';
import { isPassword, readPasswords } from './mosquitto-passwords.ts';
import { followPackets, guardedStream } from './mqtt-frames.ts';
import { coversFilter, matchesTopic } from './topic.ts';

/** MQTT return codes (MQTT 3.1.1, 3.2.2.3). */
const UNAVAILABLE = 3;
const BAD_USER = 4;
/** Connections that have not shown a password yet; they never take the places of those that have. */
const UNKNOWN = { total: 32, each: 8 } as const;
/** Connections of users: as many of one user as many machines need that share a password. */
const KNOWN = { total: 64, each: 16 } as const;
const MAX_PAYLOAD_BYTES = 64 * 1024;
/** Size limit of a packet; a topic is short. */
const MAX_PACKET = { unknown: 8 * 1024, known: MAX_PAYLOAD_BYTES + 1024 } as const;
const CONNECT_MS = 10_000;
/** A reader that takes nothing for so long is ended: what it does not read is kept for it. */
const DRAIN_MS = 20_000;
/** A wrong password is answered after this time. */
const WRONG_MS = 1000;
const MAX_SUBSCRIPTIONS = 100;
const MAX_RETAINED = 256;
/** QoS 2 messages of a connection that it has not released: as many as mosquitto's clients have. Each is kept. */
const MAX_UNRELEASED = 20;
/** Messages of one user: at once after a rest, and then in a second. */
const MESSAGES = { burst: 200, perSecond: 50 } as const;

/** A running broker. */
export interface Broker {
  stop(): Promise<void>;
}

/** What a broker gets from its surroundings. */
export interface BrokerNeeds {
  /** Gives the password file of mosquitto_passwd; undefined when there is none. */
  readonly readUsers: () => Promise<string | undefined>;
  /** Called for each message that somebody was allowed to publish. */
  readonly onMessage: (topic: string) => void;
  readonly log: ServiceLog;
}

/** Who a connection is of, as far as that is known. */
interface Session {
  readonly address: string;
  readonly socket: Socket;
  place: Member;
  user?: string;
  readonly filters: Set<string>;
}

/**
 * Returns the embedded broker, for one machine or a small network, with users of a mosquitto password file. A user may
 * publish to the topics in `publish` and subscribe to those in `subscribe`; where that is not given, to all but those
 * that begin with `$`. Sessions end with their connection: nothing is kept for who is not there. Messages go out with QoS 0, so
 * that nothing is kept either for who reads and never acknowledges; a connection loses no message as long as it lasts.
 * @throws NightlyError `usage` when the address is taken.
 */
export async function startBroker(
  { listen, publish, subscribe }: Extract<MqttTriggerConfig, { type: 'embedded' }>,
  { readUsers, onMessage, log }: BrokerNeeds,
): Promise<Broker> {
  const sessions = new WeakMap<object, Session>();
  const [unknown, known] = [createCrowd(UNKNOWN), createCrowd(KNOWN)];
  const guesses = createGuesses((address) =>
    log(`mqtt: ${address} guesses passwords and is not listened to for a minute`),
  );
  // In the thread pool, which others need too.
  const checking = pLimit(2);
  const pace = createPace();
  const retained = new Set<string>();

  /** Undefined for a user that is let in, else what is answered. */
  async function refusal(
    session: Session,
    name: string,
    password: Uint8Array | undefined,
  ): Promise<number | undefined> {
    // Read each time: users come and go without a restart.
    const users = readPasswords((await readUsers()) ?? '');
    // Names that nobody has are one name: there may be any number of them.
    const user = users.has(name) ? name : '';
    if (!guesses.mayTry(session.address, user)) return UNAVAILABLE;
    if (!(await isPassword(users, name, password))) {
      guesses.wrong(session.address, user);
      return BAD_USER;
    }
    guesses.right(session.address, user);
    return undefined;
  }

  /** Lets a client in as its user, under an id that no other user can have. */
  async function admit(client: Client, name: string, password: Uint8Array | undefined): Promise<number | undefined> {
    const session = sessions.get(client);
    if (!session) return UNAVAILABLE;
    session.place.busy = true;
    const code = await checking(() => refusal(session, name, password));
    session.place.busy = false;
    if (code !== undefined) {
      await sleep(WRONG_MS, undefined, { ref: false });
      return code;
    }
    // Gone meanwhile: a place that is taken now would never be given back.
    if (session.socket.destroyed) return UNAVAILABLE;
    const place = known.enter(name, () => session.socket.destroy());
    if (!place) return UNAVAILABLE;
    session.place.leave();
    session.place = place;
    session.user = name;
    client.id = `${encodeURIComponent(name)}/${client.id}`;
    return undefined;
  }

  const broker = await Aedes.createBroker({
    connectTimeout: CONNECT_MS,
    drainTimeout: DRAIN_MS,
    maxInflightInbound: MAX_UNRELEASED,
    preConnect(_client, packet, done) {
      packet.clean = true;
      done(null, true);
    },
    authenticate(client, user, password, done) {
      void admit(client, user ?? '', password)
        .catch((error: unknown) => {
          log(`mqtt: ${String(error)}`);
          return UNAVAILABLE;
        })
        .then((code) => {
          if (code === undefined) done(null, true);
          else done(Object.assign(new Error('not let in'), { returnCode: code }), false);
        });
    },
    authorizePublish(client, { topic, payload, retain }, done) {
      // Without a client it is the broker itself, which speaks under $SYS only.
      if (!client) return done(topic.startsWith('$SYS/') ? null : new Error('not allowed'));
      const user = sessions.get(client)?.user ?? '';
      const filters = Object.hasOwn(publish, user) ? (publish[user] ?? []) : [];
      const allowed = !topic.startsWith('$') && filters.some((filter) => matchesTopic(filter, topic));
      if (!allowed || payload.length > MAX_PAYLOAD_BYTES) return done(new Error('not allowed'));
      if (retain && payload.length === 0) retained.delete(topic);
      else if (retain && retained.size >= MAX_RETAINED && !retained.has(topic))
        return done(new Error('too many are kept'));
      else if (retain) retained.add(topic);
      const pass = () => {
        // Now, and not when it has been delivered: that waits for readers who do not read.
        onMessage(topic);
        done(null);
      };
      const ms = pace(user);
      if (ms === 0) pass();
      else setTimeout(pass, ms).unref();
    },
    authorizeSubscribe(client, subscription, done) {
      const session = sessions.get(client);
      const { topic } = subscription;
      const user = session?.user ?? '';
      const filters = subscribe === undefined ? ['#'] : Object.hasOwn(subscribe, user) ? (subscribe[user] ?? []) : [];
      const allowed = !topic.startsWith('$') && filters.some((filter) => coversFilter(filter, topic));
      const room = session && (session.filters.has(topic) || session.filters.size < MAX_SUBSCRIPTIONS);
      if (allowed && room) session.filters.add(topic);
      done(null, allowed && room ? { ...subscription, qos: 0 } : null);
    },
  });
  broker.on('unsubscribe', (topics, client) => {
    for (const topic of topics) sessions.get(client)?.filters.delete(topic);
  });

  function receive(socket: Socket): void {
    const address = addressGroup(socket.remoteAddress);
    const place = unknown.enter(address, () => socket.destroy());
    if (!place) {
      socket.on('error', () => undefined).destroy();
      return;
    }
    const session: Session = { address, socket, place, filters: new Set() };
    socket.setNoDelay(true).setKeepAlive(true, 60_000);
    socket.once('close', () => session.place.leave());
    const check = followPackets(() => (session.user === undefined ? MAX_PACKET.unknown : MAX_PACKET.known));
    sessions.set(broker.handle(guardedStream(socket, check)), session);
  }

  const server = createServer(receive);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await listening(server, listen, 'service.mqtt.listen');
  return {
    async stop() {
      const closed = new Promise((settle) => server.close(settle));
      await new Promise<void>((settle) => broker.close(settle));
      // Those that have not said who they are; the broker knows only the others.
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/**
 * Says how long a message of a user waits, in milliseconds: what comes too fast is read later, and nothing of it is
 * lost.
 */
function createPace(): (user: string, now?: number) => number {
  const seen = new Map<string, { left: number; at: number }>();
  return (user, now = performance.now()) => {
    const { left, at } = seen.get(user) ?? { left: MESSAGES.burst, at: now };
    const more = Math.min(MESSAGES.burst, left + ((now - at) / 1000) * MESSAGES.perSecond) - 1;
    seen.set(user, { left: more, at: now });
    return more >= 0 ? 0 : (-more / MESSAGES.perSecond) * 1000;
  };
}
