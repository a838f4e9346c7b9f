import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../src/base/free-port.ts';
import { run, start } from '../../src/programs/exec.ts';
import { makeCertificate } from './certificate.ts';
import { untilListening } from './sshd.ts';

const REALM = 'TEST.INVALID';

/** A Kerberos realm on loopback: MIT's own KDC. */
export interface Realm {
  /** A file for `KRB5_CONFIG`. */
  readonly config: string;
  /** Makes a principal of that name. @returns its keytab */
  principal(name: string): Promise<string>;
  /** Gives a principal another key, so that its keytab is of no more use. */
  rekey(name: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a realm; what it has lies in the folder. */
export async function startRealm(dir: string): Promise<Realm> {
  await mkdir(dir);
  const address = `127.0.0.1:${await freePort()}`;
  const [config, profile] = [join(dir, 'krb5.conf'), join(dir, 'kdc.conf')];
  await writeFile(
    config,
    `[libdefaults]
 default_realm = ${REALM}
 dns_lookup_kdc = false
 dns_canonicalize_hostname = false
 rdns = false
[realms]
 ${REALM} = {
  kdc = ${address}
 }
`,
  );
  await writeFile(
    profile,
    `[kdcdefaults]
 kdc_listen = ${address}
 kdc_tcp_listen = ${address}
[realms]
 ${REALM} = {
  database_name = ${dir}/principal
  key_stash_file = ${dir}/stash
 }
`,
  );
  const env = { KRB5_CONFIG: config, KRB5_KDC_PROFILE: profile };
  await run('/usr/sbin/kdb5_util', ['create', '-r', REALM, '-s', '-P', 'of the test'], { env });
  const kdc = await start('/usr/sbin/krb5kdc', ['-n'], { env });
  await untilListening(Number(address.split(':')[1]));
  const admin = (query: string) => run('/usr/sbin/kadmin.local', ['-q', query], { env });
  return {
    config,
    async principal(name) {
      const keytab = join(dir, `${name.replace('/', '-')}.keytab`);
      await admin(`addprinc -randkey ${name}`);
      await admin(`ktadd -k ${keytab} ${name}`);
      return keytab;
    },
    async rekey(name) {
      await admin(`change_password -randkey ${name}`);
    },
    stop: () => kdc.stop(),
  };
}

/**
 * Apache in front of a koji hub as its manual has it: mod_auth_gssapi decides who logs in, at `ssllogin` alone.
 * @param behind URL of the server behind it
 * @param keytab of `HTTP/localhost`
 * @returns its own URL
 */
export async function startKerberosProxy(
  dir: string,
  behind: string,
  keytab: string,
): Promise<{ readonly url: string; readonly caFile: string; stop(): Promise<void> }> {
  await mkdir(dir);
  // Its workers are not root.
  await chmod(keytab, 0o644);
  const port = await freePort();
  const { keyFile: key, file: certificate } = await makeCertificate(dir, 'localhost');
  const modules = ['mpm_event', 'ssl', 'socache_shmcb', 'authn_core', 'authz_core', 'authz_user', 'auth_gssapi'];
  const loaded = [...modules, 'proxy', 'proxy_http', 'headers'].map(
    (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
  );
  await writeFile(
    join(dir, 'apache.conf'),
    `ServerName localhost
DefaultRuntimeDir ${dir}
Listen 127.0.0.1:${port}
PidFile ${dir}/pid
ErrorLog ${dir}/errors
${loaded.join('\n')}
SSLEngine on
SSLCertificateFile ${certificate}
SSLCertificateKeyFile ${key}
ProxyPass / ${behind}/
<Location /kojihub/ssllogin>
  AuthType GSSAPI
  GssapiCredStore keytab:${keytab}
  Require valid-user
  RequestHeader set X-Remote-User expr=%{REMOTE_USER}
</Location>
`,
  );
  const server = await start('/usr/sbin/apache2', ['-D', 'FOREGROUND', '-f', join(dir, 'apache.conf')]);
  await untilListening(port);
  return {
    url: `https://localhost:${port}`,
    caFile: certificate,
    stop: () => server.stop(),
  };
}
