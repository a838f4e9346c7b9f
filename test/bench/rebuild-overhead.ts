import { printBar } from '../support/log-bench.ts';
import { plainRpmbuild, type RebuildBench, type Took } from '../support/rebuild-bench.ts';
import type { RebuildWorld } from '../support/rebuild-world.ts';
import { median } from '../support/statistics.ts';

/** What a rebuild, its check included, takes beside rpmbuild alone in the same root on the same machine, in turns. */
export async function benchOverhead(
  { world, machines, rebuild }: RebuildBench,
  { runs, files }: { readonly runs: number; readonly files: number },
): Promise<void> {
  const [machine] = machines;
  if (machine === undefined) throw new Error('there is no machine');
  for (const [what, source, bar] of [
    ['a small package', await compiled(world, 'small', 1), undefined],
    [`a package of ${files} such files`, await compiled(world, 'large', files), 1.15],
  ] as const) {
    const args = [source, '--on', machine.name];
    const [first] = (await rebuild(args)).results;
    const root = first?.root ?? '';
    const [ours, plain]: [Took[], Took[]] = [[], []];
    for (let turn = 0; turn < runs; turn += 1) {
      const one = async () => ours.push(await rebuild(args));
      const other = async () => plain.push(await plainRpmbuild(machine, source, root));
      for (const build of turn % 2 === 0 ? [one, other] : [other, one]) await build();
    }
    console.log(`${what}, medians of ${runs}:`);
    for (const unit of ['seconds', 'cpu'] as const) {
      const [took, alone] = [median(ours.map((one) => one[unit])), median(plain.map((one) => one[unit]))];
      const label = unit === 'cpu' ? 'processor time' : 'by the clock';
      console.log(`  ${label}: rebuild ${took.toFixed(2)} s, rpmbuild alone ${alone.toFixed(2)} s`);
      const ratio = median(ours.map((one, turn) => one[unit] / (plain[turn]?.[unit] ?? 0)));
      if (bar === undefined) console.log(`  ratio ${ratio.toFixed(2)}`);
      else printBar('  ratio', ratio, bar);
    }
  }
}

/** Functions of a file: the compiler takes some three seconds of a processor for them. */
const FUNCTIONS = 300;

/** A source package of so many files of C, which are compiled one after the other. */
async function compiled(world: RebuildWorld, name: string, files: number): Promise<string> {
  const sources = Object.fromEntries(Array.from({ length: files }, (_, file) => [`part${file}.c`, partOf(file)]));
  const spec = `%global debug_package %{nil}
AutoReqProv: no
BuildRequires: gcc make
%description
benchmark
%prep
%setup -q -T -c
cp %{_sourcedir}/*.c .
%build
for f in *.c; do gcc -O2 -c $f; done
ar rcs lib${name}.a *.o
%install
install -D -m 644 lib${name}.a %{buildroot}/usr/lib64/lib${name}.a
%files
/usr/lib64/lib${name}.a`;
  return world.source(name, spec, sources);
}

function partOf(file: number): string {
  return Array.from({ length: FUNCTIONS }, (_, index) => {
    const [steps, shift, factor] = [(index % 7) + 3, (index % 5) + 1, (index % 13) + 2];
    return `int f${file}_${index}(int *a, int n) {
  int s = ${index};
  for (int i = 0; i < n; i++) for (int j = 0; j < ${steps}; j++) {
    s += a[(i * j + ${index}) & 63] ^ (s >> ${shift});
    a[i & 63] = s * ${factor};
    switch (s & 7) { case 0: s += j; break; case 1: s ^= i; break; case 2: s -= a[j]; break; case 3: s *= 3; break; default: s += 7; }
  }
  return s;
}
`;
  }).join('');
}
