/** Keeps the lanes supplied: asks for a little more than the window, one question at a time. */
import type { ViewportQuery, ViewportResult } from '../../src/protocol/viewport';
import { Latest } from '../host/latest';
import type { HostClient } from '../host/client';
import type { LaneRow } from '../lanes/layout';
import { spanOf, type TimeWindow } from '../time/window';

/** Share of the window that is asked for on either side of it. */
const MARGIN = 0.5;

interface Want {
  query: ViewportQuery;
  rows: readonly LaneRow[];
  revision: number;
}

export class Feed {
  readonly #latest: Latest<Want, ViewportResult>;
  #have: { from: number; to: number; pixel: number; rows: readonly LaneRow[]; revision: number } | undefined;

  constructor(
    host: HostClient,
    accept: (result: ViewportResult, rows: readonly LaneRow[]) => void,
    failed: (error: unknown) => void,
  ) {
    this.#latest = new Latest(
      ({ query }) => host.call('viewport', query),
      (result, want) => {
        const { rows, revision } = want;
        const pixel = spanOf(result) / result.width;
        this.#have = { from: result.from, to: result.to, pixel, rows, revision };
        accept(result, rows);
        // Lanes of queries are searched for in pieces.
        if (result.searching) this.#latest.request(want);
      },
      failed,
    );
  }

  /**
   * Makes sure that an answer for the window is here or on its way.
   * @param width pixels of the window
   * @param revision changes when the trace does
   */
  want(window: TimeWindow, width: number, rows: readonly LaneRow[], revision: number): void {
    if (width <= 0 || rows.length === 0) return;
    const pixel = spanOf(window) / width;
    const have = this.#have;
    const slack = spanOf(window) * MARGIN * 0.3;
    const enough =
      have &&
      have.rows === rows &&
      have.revision === revision &&
      Math.abs(have.pixel / pixel - 1) < 1e-3 &&
      have.from <= Math.max(0, window.from - slack) &&
      have.to >= window.to + slack;
    if (enough) return;
    // Bins begin at whole pixels of an absolute grid, so that they do not shimmer when the window moves.
    const from = Math.floor((window.from - spanOf(window) * MARGIN) / pixel) * pixel;
    const pixels = Math.ceil(width * (1 + 2 * MARGIN)) + 1;
    const query = { from, to: from + pixels * pixel, width: pixels, lanes: rows.map((row) => row.lane) };
    this.#latest.request({ query, rows, revision });
  }
}
