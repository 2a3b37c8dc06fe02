/** Numbers as steps from one to the next, which are small where they nearly ascend, and so take few bytes when they are packed. */
import { Numbers, type NumberArray } from './numbers';

/** Steps as numbers that are not negative: 0, -1, 1, -2, 2 … as 0, 1, 2, 3, 4 …; all are whole. */
export function stepsOf(numbers: NumberArray): NumberArray {
  const steps = new Numbers();
  let before = 0;
  for (const value of numbers) {
    const step = value - before;
    steps.push(step < 0 ? -2 * step - 1 : 2 * step);
    before = value;
  }
  return steps.used;
}

/** The numbers again; they may be other than any that were written where the steps are. */
export function sumsOf(steps: NumberArray): Numbers {
  const numbers = new Numbers();
  let value = 0;
  for (const step of steps) {
    value += step % 2 === 0 ? step / 2 : -(step + 1) / 2;
    numbers.push(value);
  }
  numbers.compact();
  return numbers;
}
