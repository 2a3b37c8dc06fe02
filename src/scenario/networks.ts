/** The links of a scenario as segments of its machine, each on the island of the guests that are plugged into it. */
import { linkDropNames, type LinkEnd } from '../machine/link/link';
import type { PeerSpec } from '../machine/link/peers/spec';
import { buildSegment, type Segment } from '../machine/link/segment';
import type { Capture } from '../trace/exchange/capture-model';
import type { Cable } from '../vmm/guest';
import type { Host, Site } from '../vmm/host';
import { TrackTrace } from '../vmm/track-trace';
import { assignmentsOf } from './assignments';
import type { ScenarioPeer } from './peer-schema';
import { nicsOf, type Scenario, type ScenarioLink } from './schema';

/** What the links of a run need besides what the scenario says. */
export interface NetworkEnvironment {
  /** By the path that a `pcap` peer names: the frames of that capture. */
  captures: ReadonlyMap<string, Capture['frames']>;
  /** Sees each frame that has passed a link, by the link's position in the scenario, at the time in cycles. */
  tap?: ((link: number, time: number, frame: Uint8Array) => void) | undefined;
}

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
    private readonly environment: NetworkEnvironment,
  ) {
    scenario.links.forEach((link, index) => this.build(link, index));
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

  private build(spec: ScenarioLink, index: number): void {
    const { scenario, host } = this;
    const { tap } = this.environment;
    const users = stationsOf(scenario, spec.id);
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
    const peers = spec.peers.map((peer) => this.withFrames(peer));
    const segment = buildSegment({ ...spec, peers }, users.length, {
      frequencyHz,
      seed: scenario.seed,
      scheduler: island.queue,
      trace: new TrackTrace(this.sites[users[0] ?? 0], () => track),
      keep: (name, unit) => units.keep(name, unit),
      tap: tap && ((frame) => tap(index, island.now(), frame)),
    });
    this.segments.push(segment);
    this.free.set(spec.id, [...segment.nics]);
  }

  /** A peer as the machine takes it. What a capture has to send after the end of the run is left out. */
  private withFrames(peer: ScenarioPeer): PeerSpec {
    if (peer.kind !== 'pcap') return peer;
    const { file, atNs } = peer;
    const frames = this.environment.captures.get(file);
    if (!frames) throw new Error(`the capture ${file} was not read`);
    const end = this.scenario.stop.afterMs * 1e6;
    const sent = frames.map((each) => ({ ...each, atNs: each.atNs + atNs }));
    return { kind: 'capture', frames: sent.filter((each) => each.atNs <= end) };
  }
}

/** The NICs on a link, each by the VM that it works for: those of the VMs, and those of the host. */
function stationsOf(scenario: Scenario, link: string): number[] {
  const on = (nic: { link?: string | undefined }): boolean => nic.link === link;
  const own = scenario.vms.flatMap(({ devices }, vm) =>
    nicsOf(devices)
      .filter(on)
      .map(() => vm),
  );
  const assignments = assignmentsOf(scenario);
  const physical = nicsOf(scenario.host.devices).filter(on);
  // One that is nobody's lives with the first guest.
  return [...own, ...physical.map(({ id }) => assignments.find(({ device }) => device === id)?.vm ?? 0)];
}
