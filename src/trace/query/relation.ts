/** Relations of a query: `cause:`, `from:` and `within:` of events that another query finds. */
import type { Relation } from './query';
import type { QueryRows, SpansAround } from './query-rows';

type Test = (row: number) => boolean;

const BLOCK_SHIFT = 16;
const UNKNOWN = 0;
const YES = 1;
const NO = 2;

/** Answers about rows, kept in pieces so that few answers about a long trace take little room. */
class Known {
  private readonly blocks = new Map<number, Uint8Array>();

  at(row: number): number {
    return this.blocks.get(row >>> BLOCK_SHIFT)?.[row & ((1 << BLOCK_SHIFT) - 1)] ?? UNKNOWN;
  }

  set(row: number, answer: number): void {
    const key = row >>> BLOCK_SHIFT;
    let block = this.blocks.get(key);
    if (!block) this.blocks.set(key, (block = new Uint8Array(1 << BLOCK_SHIFT)));
    block[row & ((1 << BLOCK_SHIFT) - 1)] = answer;
  }
}

/** Whether a row or one that its causes lead back to passes; each row is looked at once. */
function fromTest(rows: QueryRows, test: Test): Test {
  const known = new Known();
  return (row) => {
    const way: number[] = [];
    let at = row;
    let answer = NO;
    for (; at >= 0; at = rows.causeOf(at)) {
      const before = known.at(at);
      if (before !== UNKNOWN) {
        answer = before;
        break;
      }
      way.push(at);
      if (test(at)) {
        answer = YES;
        break;
      }
    }
    for (const each of way) known.set(each, answer);
    return answer === YES;
  };
}

/** The test of a row for its relation to rows that pass a test. */
export function relationTest(rows: QueryRows, relation: Relation, test: Test, around: SpansAround): Test {
  switch (relation) {
    case 'cause':
      return (row) => {
        const cause = rows.causeOf(row);
        return cause >= 0 && test(cause);
      };
    case 'from':
      return fromTest(rows, test);
    case 'within':
      return (row) => around(row, test);
  }
}
