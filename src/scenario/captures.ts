/** The captures that peers of a scenario send, and where the scenario names them. */
import { parseDocument, type Path } from './document';
import type { Scenario } from './schema';

/** A file that a `pcap` peer names. */
export interface CaptureReference {
  /** As it is written. */
  file: string;
  /** Of the field in the scenario's text. */
  at: Path;
}

/** In the order of the text. @param text of the scenario, which says whether a link has a `peer` or `peers` */
export function captureReferences(text: string, { links }: Scenario): CaptureReference[] {
  const written = parseDocument(text).value as { links?: object[] };
  return links.flatMap(({ peers }, link) =>
    peers.flatMap((peer, index): CaptureReference[] => {
      if (peer.kind !== 'pcap') return [];
      const place = 'peers' in (written.links?.[link] ?? {}) ? ['peers', index] : ['peer'];
      return [{ file: peer.file, at: ['links', link, ...place, 'file'] }];
    }),
  );
}
