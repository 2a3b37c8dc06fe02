/** Times between frames. */

/** Resolves with the time of the next frame. */
export function nextFrame(): Promise<number> {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

/** Does something in each of `count` frames; gives the milliseconds from each to the next. */
export async function frames(count: number, act: (index: number) => void): Promise<number[]> {
  const times: number[] = [];
  let last = await nextFrame();
  for (let index = 0; index < count; index++) {
    act(index);
    const now = await nextFrame();
    times.push(now - last);
    last = now;
  }
  return times;
}

/** The value that so large a share of all is at most. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
