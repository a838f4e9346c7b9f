import { Gauge, type Registry } from 'prom-client';

/** Sets a gauge, whose name is that in Prometheus without `atomic_nightly_`. */
export type SetGauge = (name: string, help: string, labels: Readonly<Record<string, string>>, value: number) => void;

/** Returns what sets the gauges of a registry; the first value of one makes it. */
export function gaugesOf(registry: Registry): SetGauge {
  return (name, help, labels, value) => {
    const full = `atomic_nightly_${name}`;
    const there = registry.getSingleMetric(full) as Gauge | undefined;
    const gauge = there ?? new Gauge({ name: full, help, labelNames: Object.keys(labels), registers: [registry] });
    gauge.set(labels, value);
  };
}
