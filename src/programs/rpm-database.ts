/**
 * Returns how an rpm program is told where its database is. It expands the value of `--dbpath` as macros, several times over,
 * so that no quoting makes a percent sign of a path stand for itself: the folder is where it runs, and has no other name there.
 * Files are named to it by absolute paths.
 */
export function rpmDatabase(database: string): { readonly args: readonly string[]; readonly cwd: string } {
  return { args: ['--dbpath', '/proc/self/cwd'], cwd: database };
}
