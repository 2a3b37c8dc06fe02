/** What every saved state has in common: how one that does not fit is refused. */
export { SnapshotError, requireVersion } from '../trace/snapshot-error';
