/** Lanes that a reader made of queries: kept by the host, for all runs of a scenario. */

export interface QueryLane {
  /** Stays the same from run to run. */
  id: string;
  /** What the reader calls it; at first the query. */
  label: string;
  query: string;
}

/** Upper bounds of what is kept. */
export const queryLaneLimits = { lanes: 64, label: 200, query: 4096 };
