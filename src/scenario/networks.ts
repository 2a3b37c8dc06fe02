/** The links of a scenario as segments of its machine, each on the island of the guests that are plugged into it. */
import { buildSegment, type Segment } from '../machine/link/segment';
import { linkDropNames, type LinkEnd } from '../machine/link/link';
import type { Cable } from '../vmm/guest';
import type { Host, Site } from '../vmm/host';
import { TrackTrace } from '../vmm/track-trace';
import { nicsOf, type Scenario, type ScenarioLink } from './schema';

/** All links of a run. */
export class Networks {
  private readonly segments: Segment[] = [];
  /** Free ends by the link's name, in the order of the NICs. */
  private readonly free = new Map<string, LinkEnd[]>();

  /** @param sites by VM */
  constructor(
    private readonly scenario: Scenario,
    private readonly sites: readonly Site[],
    private readonly host: Host,
  ) {
    for (const link of scenario.links) this.build(link);
  }

  /** The next free end of a link, for a NIC; undefined: it names none. NICs ask in the order of the scenario. */
  plug(link: string | undefined): Cable | undefined {
    const end = link === undefined ? undefined : this.free.get(link)?.shift();
    return end && { wire: end, attach: (receiver) => end.attach(receiver) };
  }

  /** Lets the peers begin that send of their own accord. */
  start(): void {
    for (const segment of this.segments) segment.start();
  }

  private build(spec: ScenarioLink): void {
    const { scenario, host } = this;
    const users = scenario.vms.flatMap(({ devices }, vm) =>
      nicsOf(devices)
        .filter(({ link }) => link === spec.id)
        .map(() => vm),
    );
    // A link that nobody uses lives with the first guest.
    const { island } = this.sites[users[0] ?? 0];
    const { tracer, units, frequencyHz } = host;
    const track = tracer.addTrack({
      type: 'link',
      name: spec.id,
      group: 'network',
      vm: -1,
      reasons: linkDropNames,
    });
    const segment = buildSegment(spec, users.length, {
      frequencyHz,
      seed: scenario.seed,
      scheduler: island.queue,
      trace: new TrackTrace(this.sites[users[0] ?? 0], () => track),
      keep: (name, unit) => units.keep(name, unit),
    });
    this.segments.push(segment);
    this.free.set(spec.id, [...segment.nics]);
  }
}
