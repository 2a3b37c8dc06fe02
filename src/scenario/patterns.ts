/** Forms of text that several fields of a scenario have. */

/** A name that may stand in a path of figures or in a track's name. */
export const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;
/** A device of the host, or one of its virtual functions: `nic0`, `nic0.vf1`. */
export const ASSIGNABLE = /^([A-Za-z][A-Za-z0-9_-]{0,31})(?:\.vf(\d{1,3}))?$/;
/** A unicast MAC address: the lowest bit of the first byte is clear (IEEE 802, 8.2.2). */
export const UNICAST_MAC = /^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$/;
