/** Lanes that the reader makes of queries. The host keeps them for the next run of the scenario. */
import type { QueryLane } from '../../src/protocol/query-lanes';
import type { HostClient } from '../host/client';
import { QUERY_GROUP, queryLaneId, queryLanesOf, understood } from '../lanes/query-lanes';
import type { Choosing } from './choosing';
import type { Model } from './model';

export class Queries {
  constructor(
    private readonly model: Model,
    private readonly host: HostClient,
    private readonly choosing: Choosing,
    private readonly report: (error: unknown) => void,
    /** Reads aloud what has become of a lane, for those who do not see it. */
    private readonly say: (text: string) => void,
  ) {}

  /** Makes a lane of a query, or goes to the one that there is, and makes it the keyboard's. */
  add(query: string): void {
    const { queryLanes, lane, choices } = this.model;
    const known = queryLanes.value.find((each) => each.query === query);
    const made = known ?? { id: queryLaneId(queryLanes.value), label: query, query };
    if (!known) this.#set([...queryLanes.value, made]);
    if (choices.value.collapsed.includes(QUERY_GROUP)) this.choosing.toggleGroup(QUERY_GROUP);
    lane.value = made.id;
    this.say(known ? `There is a lane of ${query}` : `New lane: ${query}`);
  }

  rename(id: string, label: string): void {
    const name = label.trim();
    if (name === '') return;
    this.#set(this.model.queryLanes.value.map((each) => (each.id === id ? { ...each, label: name } : each)));
    this.say(`Lane ${name}`);
  }

  remove(id: string): void {
    const { queryLanes, lane } = this.model;
    const removed = queryLanes.value.find((each) => each.id === id);
    if (!removed) return;
    if (lane.value === id) lane.value = '';
    this.#set(queryLanes.value.filter((each) => each !== removed));
    this.say(`Lane ${removed.label} removed`);
  }

  /** Shows the lanes that the reader made in an earlier run of the scenario. */
  async bringBack(): Promise<void> {
    try {
      const kept = understood(await this.host.call('queryLanes'));
      if (kept.length > 0) this.#show(kept);
    } catch (error) {
      this.report(error);
    }
  }

  /** The reader's lanes have changed: they are shown, and kept for the next run. */
  #set(lanes: readonly QueryLane[]): void {
    this.#show(lanes);
    void this.host.call('keepQueryLanes', [...lanes]).catch((error: unknown) => this.report(error));
  }

  #show(lanes: readonly QueryLane[]): void {
    const { model } = this;
    const others = model.lanes.value.filter(({ query }) => query === undefined);
    model.queryLanes.value = lanes;
    model.lanes.value = [...queryLanesOf(lanes), ...others];
  }
}
