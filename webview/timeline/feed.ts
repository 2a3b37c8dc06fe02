/**
 * Keeps the visible lanes supplied. One question is on its way at a time; of what the timeline wants meanwhile only the newest
 * counts, and what is here already is not asked for again.
 */
import type { Lane, LaneBins, LaneEvents, ViewportQuery, ViewportResult } from '../../src/protocol/viewport';
import { Latest } from '../host/latest';
import type { HostClient } from '../host/client';
import type { Folding } from '../time/fold';
import { covers, needOf, type Need } from '../time/grid';
import type { TimeWindow } from '../time/window';
import { questionFor } from './plan';

/** What an answer holds of a lane in one stretch of time. */
export interface Piece extends TimeWindow {
  data: LaneEvents | LaneBins;
}

/** What is here of a lane. */
export interface Supply {
  /** Cycles of a bin. */
  bin: number;
  pieces: readonly Piece[];
}

interface Want {
  lanes: readonly Lane[];
  need: Need;
  revision: number;
}

interface Store extends Supply {
  revision: number;
}

/** No revision of a trace: more is to come of the one that was asked for. */
const UNFINISHED = -1;

export class Feed {
  readonly #latest: Latest<Want, { want: Want; result: ViewportResult; lanes: Lane[] } | undefined>;
  /** By id of the lane: what is complete, and what is being gathered. */
  readonly #here = new Map<string, Store>();
  readonly #coming = new Map<string, Store>();
  #newest: Want | undefined;

  /** @param accept gets each lane whose supply is complete */
  constructor(
    host: Pick<HostClient, 'call'>,
    accept: (supplies: ReadonlyMap<string, Supply>) => void,
    failed: (error: unknown) => void,
  ) {
    this.#latest = new Latest(
      async (want) => {
        const query = this.#question(want);
        return query && { want, result: await host.call('viewport', query), lanes: query.lanes };
      },
      (answer) => {
        if (!answer) return;
        const done = this.#store(answer.want, answer.result, answer.lanes);
        if (done.size > 0) accept(done);
        if (this.#newest && this.#question(this.#newest)) this.#latest.request(this.#newest);
      },
      failed,
    );
  }

  /**
   * Makes sure that answers for a window are here or on their way.
   * @param width pixels of the window
   * @param lanes those that are visible
   * @param revision changes when the trace does
   */
  want(
    window: TimeWindow,
    width: number,
    lanes: readonly Lane[],
    endTime: number,
    folding: Folding,
    revision: number,
  ): void {
    if (width <= 0 || lanes.length === 0) return;
    const want = { lanes, need: needOf(window, width, endTime, folding), revision };
    this.#newest = want;
    if (this.#question(want)) this.#latest.request(want);
  }

  /** Forgets what is here of all lanes but these, and of these when their tracks are others now. */
  keepOnly(lanes: readonly Lane[]): void {
    const known = new Set(lanes.map(({ id }) => id));
    for (const store of [this.#here, this.#coming])
      for (const id of store.keys()) if (!known.has(id)) store.delete(id);
  }

  #lacks({ need, revision }: Want, lane: Lane): boolean {
    const here = this.#here.get(lane.id);
    return !here || here.bin !== need.bin || here.revision !== revision || !covers(here.pieces, need.needed);
  }

  #question(want: Want): ViewportQuery | undefined {
    const lacking = want.lanes.filter((lane) => this.#lacks(want, lane));
    const [first] = lacking;
    if (!first) return undefined;
    const { asked, bin } = want.need;
    const stretchOf = (lane: Lane): TimeWindow | undefined => {
      const coming = this.#coming.get(lane.id);
      const has = coming?.bin === bin && coming.revision === want.revision ? coming.pieces : [];
      return asked.find((stretch) => !covers(has, [stretch]));
    };
    const stretch = stretchOf(first) ?? asked[0];
    if (!stretch) return undefined;
    return questionFor(
      stretch,
      bin,
      lacking.filter((lane) => lane === first || stretchOf(lane) === stretch),
    );
  }

  #store(want: Want, result: ViewportResult, lanes: readonly Lane[]): Map<string, Supply> {
    const { bin, asked } = want.need;
    const done = new Map<string, Supply>();
    lanes.forEach((lane, index) => {
      const data = result.lanes[index];
      if (!data) return;
      const coming = this.#coming.get(lane.id);
      const same = coming?.bin === bin && coming.revision === want.revision;
      const before = same ? coming.pieces.filter((piece) => covers(asked, [piece])) : [];
      const pieces = [...before, { from: result.from, to: result.to, data }];
      // A query is searched for in pieces, and a large trace without an index read so: what is there is shown, and asked for again.
      const unfinished = result.indexing === true || (result.searching === true && lane.query !== undefined);
      const store = { bin, revision: unfinished ? UNFINISHED : want.revision, pieces };
      if (!covers(pieces, asked)) {
        this.#coming.set(lane.id, store);
        return;
      }
      pieces.sort((a, b) => a.from - b.from);
      this.#coming.delete(lane.id);
      this.#here.set(lane.id, store);
      done.set(lane.id, store);
    });
    return done;
  }
}
