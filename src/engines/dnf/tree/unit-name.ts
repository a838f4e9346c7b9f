/**
 * Returns the template that a unit is an instance of, by systemd's rule (unit_name_template, src/basic/unit-name.c):
 * the instance stands between the first "@" and the last "."; a unit without one is its own.
 */
export function templateOf(unit: string): string {
  const at = unit.indexOf('@');
  const dot = unit.lastIndexOf('.');
  return at > 0 && dot > at ? unit.slice(0, at + 1) + unit.slice(dot) : unit;
}
