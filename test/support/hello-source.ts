/**
 * Returns the end of the spec of a package that has one file.
 * @param before commands that run before the file is made, a line each
 */
export const helloSpec = (...before: readonly string[]): string =>
  [
    ...['BuildArch: noarch', '%description', 'test', '%install', ...before],
    'mkdir -p %{buildroot}/usr/share/hello',
    'echo hello > %{buildroot}/usr/share/hello/made',
    ...['%files', '/usr/share/hello'],
  ].join('\n');
