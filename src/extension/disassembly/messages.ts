/** What the extension host and a listing's thread say to each other. Knows no editor. */
import type { GuestListing, ListingTarget } from '../../debug/disassembly/guest-listing';
import type { RunGuest } from '../../protocol/run';

export interface ListingInput {
  guest: RunGuest;
  target: ListingTarget;
}

export type ListingOutput =
  /** No listing: the guest's file has no code there. */
  | { listing?: GuestListing; sha256: string }
  /** Why the guest's file cannot be read, for a reader. */
  | { error: string };
