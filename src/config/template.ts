/**
 * The text of a configuration to start from.
 * @param name short name of the distribution
 * @param treefile path of the treefile as it shall stand in the file
 */
export function configTemplate(name: string, treefile: string): string {
  return `# Configuration of atomic-nightly. Relative paths are taken from the folder of this file; "~" and environment
# variables are not expanded. Secrets are never written here: keys that end in -file name the files that hold them.
# "atomic-nightly doctor" checks that what this file needs is there.

# Short name of the distribution: in file names, build records, and as the default of remote.name and os-name.
name: ${name}

# OSTree repo, compose caches, build records and logs. Needs about 10 GB for a small host.
work: ./work

# What composes the tree: auto takes rpm-ostree when it is installed, otherwise the built-in engine on dnf.
# rpm-ostree out of a container (the paths used must be the same inside and outside):
# engine:
#   type: rpm-ostree
#   command: [podman, run, --rm, --privileged, -v, /srv/nightly:/srv/nightly, quay.io/fedora/fedora:latest, rpm-ostree]
engine: auto

# Image types of your own, a folder each, with an image.yaml: docs/images.md.
# image-templates: ./image-types

# Places to publish to. "url" is where clients read the same files; a publish is done when a fresh client could pull
# from there.
targets:
  buildlogs:
    type: directory
    path: ./published
    url: http://localhost:8080
    # pages: false                     # no index.html, page of each build and feed for people: docs/pages.md

  # Over ssh; without "ssh" keys, what ssh itself would use.
  # mirror:
  #   type: rsync
  #   destination: nightly@mirror.example.org:/srv/atomic
  #   ssh:
  #     identity-file: /etc/atomic-nightly/id_ed25519
  #     known-hosts-file: /etc/atomic-nightly/known_hosts
  #     port: 22
  #   bandwidth-limit: 2M
  #   url: https://mirror.example.org/atomic

  # To a module of an rsync daemon.
  # archive:
  #   type: rsync
  #   destination: rsync://nightly@archive.example.org/atomic
  #   password-file: /etc/atomic-nightly/rsync-password
  #   url: https://archive.example.org/atomic

  # Over ssh to an account with a shell: one stream of tar, and a real compare-and-swap.
  # shell:
  #   type: ssh
  #   destination: nightly@www.example.org:/srv/atomic
  #   url: https://www.example.org/atomic

  # A bucket. Credentials come from where the AWS programs take them: environment, ~/.aws, the machine's role.
  # bucket:
  #   type: s3
  #   bucket: example-atomic
  #   prefix: centos
  #   endpoint: https://s3.example.org     # default: AWS
  #   url: https://cdn.example.org/centos
  #   # What "prune" may remove, on any type of target (docs/retention.md). Without it: nothing.
  #   retention:
  #     refs: {'*/nightly*': {depth: 30, age: 60d}, '*': {age: 520w}}
  #     images: 30d
  #     logs: 90d
  #     grace: 7d

# Named lines of builds.
streams:
  nightly:
    treefile: ${treefile}

    # Instead of the treefile's ref.
    # ref: ${name}/\${basearch}/nightly

    # Default: this machine's.
    # arch: x86_64

    # Each night starts from the last published commit.
    seed:
      # Default: the first target's url + /repo.
      # url: https://mirror.example.org/atomic/repo
      # Start a new repo when there is none at that URL. Set it to false after the first night, so that a mirror that
      # lost its repo stops the run instead of starting a new history.
      allow-new: true
      # With any key, the last commit must be signed by one of them.
      # gpg-keys: [/etc/pki/rpm-gpg/RPM-GPG-KEY-example]

    # In this order; the first is where the defaults of seed and remote point to.
    targets: [buildlogs]

    # The OSTree remote that images are configured with. Default: name as above, the first target's url + /repo.
    # remote:
    #   name: ${name}
    #   url: https://mirror.example.org/atomic/repo

    # The stateroot on hosts. Default: name as above.
    # os-name: ${name}

    # Images built from each new commit: generic-cloud, vagrant-libvirt, vagrant-virtualbox, iso, and types of your own
    # (see image-templates above).
    images: [generic-cloud]
    # What their file names start with. Default: name as above.
    # image-prefix: CentOS-Atomic-Host-9
    # Name of the Vagrant box. Default: name as above, "-", the stream's name.
    # vagrant-box: ${name}

    # Boot images. When all came up the tested ref moves; one that did not is not published.
    smoke-test: false
    # tested-ref: ${name}/\${basearch}/nightly-tested
    # smoke-test:
    #   images: [generic-cloud]     # default: all of the above
    #   timeout: 300                # seconds without output on the serial line
    #   allow-degraded:
    #     - unit: example.service
    #       reason: needs hardware that a virtual machine does not have

    # A package that goes back to an older version stops the run, except these.
    allow-downgrades: []

    # Repository metadata older than this stops the run (m, h, d, w). Default: any age, but never older than last time.
    # max-metadata-age: 14d

    # Sign commits, the summary, images and records (docs/signing.md): with a key of a GnuPG home, whose agent has the
    # passphrase or the card,
    # signing:
    #   type: gpg-agent
    #   home: /etc/atomic-nightly/gnupg
    #   key: 0123456789ABCDEF0123456789ABCDEF01234567
    # or with a private key file, or by another program; a list of two signs with both:
    #   {type: openpgp, key-file: /etc/atomic-nightly/signing.key, passphrase-file: /etc/atomic-nightly/passphrase}
    #   {type: command, command: [/usr/local/bin/sign, atomic], public-key-file: /etc/atomic-nightly/signing.asc}

    # The RPM with this stream's OSTree remote and public key, made by "release-package" (docs/release-package.md). With it, the
    # tree must have that package.
    # release-package: {name: ${name}-remote-nightly, version: '1', repository: ./rpms}

    # Static deltas to each new commit, so that clients need few requests: "parent", "scratch", or from what another ref
    # names, as in {ref: ${name}/release}.
    deltas: [parent]

    # Local build records and images kept.
    retention:
      builds: 30

    # When "atomic-nightly serve" begins a night (docs/service.md): minute hour day month weekday, up to the jitter later.
    # schedule: {cron: '0 2 * * *', time-zone: UTC, jitter: 10m, catch-up: 12h}

  # A release stream, fed by "promote" alone (docs/promotion.md). It is built from the treefile of its nights.
  # release:
  #   promotes-from: nightly
  #   ref: ${name}/\${basearch}/release
  #   targets: [buildlogs]      # better one of its own, to test at
  #   # Public keys; each package must be signed by one. Default: those that gpgkey= of the repositories names.
  #   rpm-keys: [/etc/pki/rpm-gpg/RPM-GPG-KEY-example]
  #   approvals: 2
  #   release-package: {name: ${name}-remote-release, version: '1', repository: ./release-rpms}
  #   cycle: {start: 2026-01-06, weeks: 4, upstream: {weeks: 2, id: '43.{date}.0'}}

# Whom to tell what about builds (docs/notify.md); types: mail, matrix, webhook, mqtt. "notify test" tries them.
# notify:
#   - type: mail
#     from: nightly@example.org
#     to: [atomic-devel@example.org]
#     smtp: {host: smtp.example.org, security: starttls, user: nightly, password-file: /etc/atomic-nightly/smtp-password}
#     events: [failed, incomplete, gate-failed, recovered, released]
#     streams: [nightly]      # default: all
#   - {type: matrix, homeserver: 'https://matrix.example.org', room: '!abc:example.org', access-token-file: /etc/atomic-nightly/matrix-token}
#   - {type: webhook, url: 'https://example.org/hook', secret-file: /etc/atomic-nightly/webhook-secret}
#   - {type: mqtt, url: 'mqtts://broker.example.org', username: nightly, password-file: /etc/atomic-nightly/mqtt-password}

# What "atomic-nightly serve" does besides: pages and metrics, tries after a failure, requests to begin a night.
# service:
#   listen: 127.0.0.1:8099
#   retry: {times: 2, wait: 10m}
#   drain: 10s                 # how long a run may go on when the service is stopped
#   trigger: {token-hash-file: ./trigger-tokens, debounce: 5m}
#   mqtt: {broker: 'mqtts://mqtt.example.org', user: nightly, password-file: ./mqtt-password}
`;
}
