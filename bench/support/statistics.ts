/**
 * What the benchmarks say of their measurements.
 *
 * @module
 */

/** The value below which the share `quantile` of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const ascending = [...values].sort((left, right) => left - right);
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? NaN;
}

/** Median, 99th percentile and count, rounded to a hundredth. */
export function summarize(
  values: readonly number[],
): { readonly median: number; readonly p99: number; readonly count: number } {
  const rounded = (share: number) => Math.round(quantile(values, share) * 100) / 100;
  return { median: rounded(0.5), p99: rounded(0.99), count: values.length };
}
