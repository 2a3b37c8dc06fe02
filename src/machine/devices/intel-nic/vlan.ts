/** 802.1Q tags: inserted into what is sent, stripped from what is received. */
import { VLAN_TAG } from './constants';

const TYPE = 12;

/** Whether a frame's type is the one that tags are known by, and a tag can follow. */
export function isTagged(frame: Uint8Array, type: number): boolean {
  return frame.length >= TYPE + VLAN_TAG.length && ((frame[TYPE] << 8) | frame[TYPE + 1]) === type;
}

/** The tag control information of a tagged frame: priority, CFI, identifier. */
export function tagControl(frame: Uint8Array): number {
  return (frame[TYPE + 2] << 8) | frame[TYPE + 3];
}

/** The frame without its tag. */
export function withoutTag(frame: Uint8Array): Uint8Array {
  const plain = new Uint8Array(frame.length - VLAN_TAG.length);
  plain.set(frame.subarray(0, VLAN_TAG.offset));
  plain.set(frame.subarray(VLAN_TAG.offset + VLAN_TAG.length), VLAN_TAG.offset);
  return plain;
}

/** The frame with a tag before its type. */
export function withTag(frame: Uint8Array, type: number, control: number): Uint8Array {
  const at = Math.min(VLAN_TAG.offset, frame.length);
  const tagged = new Uint8Array(frame.length + VLAN_TAG.length);
  tagged.set(frame.subarray(0, at));
  tagged.set([type >> 8, type & 0xff, control >> 8, control & 0xff], at);
  tagged.set(frame.subarray(at), at + VLAN_TAG.length);
  return tagged;
}
