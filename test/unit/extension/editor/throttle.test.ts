import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Throttle } from '../../../../src/extension/editor/throttle';

describe('the throttle', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('acts at once, then once per interval, and once after the last request', () => {
    const times: number[] = [];
    const begun = Date.now();
    const throttle = new Throttle(() => times.push(Date.now() - begun), 100);
    // A request every 10 ms for 250 ms: at 0, then at each whole interval, the last one for what came after 200.
    for (let time = 0; time < 250; time += 10) {
      throttle.request();
      vi.advanceTimersByTime(10);
    }
    vi.advanceTimersByTime(1000);
    expect(times).toEqual([0, 100, 200, 300]);
  });

  it('acts at once again after a rest', () => {
    const action = vi.fn();
    const throttle = new Throttle(action, 100);
    throttle.request();
    vi.advanceTimersByTime(500);
    throttle.request();
    expect(action).toHaveBeenCalledTimes(2);
  });

  it('does nothing more once disposed', () => {
    const action = vi.fn();
    const throttle = new Throttle(action, 100);
    throttle.request();
    throttle.request();
    throttle.dispose();
    vi.advanceTimersByTime(1000);
    expect(action).toHaveBeenCalledTimes(1);
  });
});
