/**
 * Whether the page has come to rest: nothing that it put off is outstanding. Loaded before the page, so that its timers and frames
 * are counted.
 */

/** Timers that wait longer are for a reader, as a hint that goes away; nobody waits for them. */
const FOR_A_READER = 2000;
/** Frames in a row without anything outstanding: what one brings about (a message, an observer's call) shows in the next. */
const QUIET_FRAMES = 3;
const PATIENCE = 20_000;

const { setTimeout: later, clearTimeout: never } = window;
const frame = window.requestAnimationFrame.bind(window);
const noFrame = window.cancelAnimationFrame.bind(window);
const timers = new Set<number>();
const frames = new Set<number>();

window.setTimeout = ((action: () => void, delay = 0): number => {
  const id: number = later(() => {
    timers.delete(id);
    action();
  }, delay);
  if (delay < FOR_A_READER) timers.add(id);
  return id;
}) as typeof window.setTimeout;
window.clearTimeout = ((id?: number): void => {
  if (id !== undefined) timers.delete(id);
  never(id);
}) as typeof window.clearTimeout;
window.requestAnimationFrame = (action): number => {
  const id = frame((now) => {
    frames.delete(id);
    action(now);
  });
  frames.add(id);
  return id;
};
window.cancelAnimationFrame = (id): void => {
  frames.delete(id);
  noFrame(id);
};

/** Resolves when the page has come to rest; rejects when it does not. */
export function atRest(): Promise<void> {
  return new Promise((settle, fail) => {
    const begun = performance.now();
    let quiet = 0;
    const look = (): void => {
      quiet = timers.size + frames.size === 0 ? quiet + 1 : 0;
      if (quiet > QUIET_FRAMES) return settle();
      if (performance.now() - begun > PATIENCE)
        return fail(
          new Error(`The page does not come to rest: ${timers.size} timers, ${frames.size} frames.`),
        );
      frame(look);
    };
    frame(look);
  });
}
