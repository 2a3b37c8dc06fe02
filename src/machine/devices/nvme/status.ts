/**
 * Status of a command as its completion has it, from bit 17 of the last word on (4.6.1): code in bits 7 to 0, type of the code
 * in bits 10 to 8, "more" in bit 13, "do not retry" in bit 14.
 */

/** Codes with their types: 0 generic, 1 command specific, 2 media. */
export const Status = {
  Success: 0x000,
  InvalidOpcode: 0x001,
  InvalidField: 0x002,
  IdConflict: 0x003,
  DataTransferError: 0x004,
  AbortRequested: 0x007,
  SqDeleted: 0x008,
  InvalidNamespace: 0x00b,
  CommandSequence: 0x00c,
  InvalidPrpOffset: 0x013,
  LbaOutOfRange: 0x080,
  InvalidCq: 0x100,
  InvalidQueueId: 0x101,
  InvalidQueueSize: 0x102,
  AbortLimit: 0x103,
  EventRequestLimit: 0x105,
  InvalidVector: 0x108,
  InvalidLogPage: 0x109,
  InvalidQueueDeletion: 0x10c,
  NotSaveable: 0x10d,
  CompareFailure: 0x285,
} as const;

export const MORE = 1 << 13;
export const DO_NOT_RETRY = 1 << 14;

/** The same command may succeed another time. */
const WORTH_RETRYING: readonly number[] = [
  Status.DataTransferError,
  Status.AbortRequested,
  Status.SqDeleted,
  Status.AbortLimit,
];
/** What no fault of the command is: the error log has nothing more to tell. */
const NO_ERROR: readonly number[] = [Status.Success, Status.AbortRequested, Status.SqDeleted];

/** Whether a status is put down in the error log. */
export function isLogged(status: number): boolean {
  return !NO_ERROR.includes(status);
}

/** The status field, without the phase tag. */
export function statusField(status: number): number {
  if (status === Status.Success) return 0;
  const retry = WORTH_RETRYING.includes(status) ? 0 : DO_NOT_RETRY;
  return status | (isLogged(status) ? MORE : 0) | retry;
}

/** Why a command is refused, and the byte of it that is to blame; `NO_PLACE` where it is none alone. */
export interface Refusal {
  status: number;
  at: number;
}

export const NO_PLACE = 0xffff;

/** Refuses a command. @param at offset in its 64 bytes */
export function refuse(status: number, at: number = NO_PLACE): Refusal {
  return { status, at };
}
