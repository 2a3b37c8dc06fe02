/** A lane in words. */
import type { Lane } from '../../src/protocol/viewport';

/** What a lane is called where it stands alone: what it shows, and of what. */
export function laneName({ label, track, part, query }: Lane): string {
  if (query !== undefined) return label;
  return part === '' || track.endsWith(part) ? track : `${track} ${part}`;
}

/** What a screen reader says of a lane when the keyboard comes to it. @param index its place of `count`, from 0 */
export function laneSentence(lane: Lane, index: number, count: number): string {
  const nothing = lane.empty ? ', nothing recorded' : '';
  return `Lane ${laneName(lane)} of ${lane.group}${nothing}, ${index + 1} of ${count}`;
}
