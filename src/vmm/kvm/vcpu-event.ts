/** Events scheduled to a vCPU. */
export const VcpuEvent = {
  Enter: 0,
  Lock: 1,
  Access: 2,
  Halt: 3,
  Hypercall: 4,
  Init: 5,
  Shutdown: 6,
  Bus: 7,
  PollEnd: 8,
  PollFound: 9,
  Block: 10,
  Trap: 11,
  Bound: 13,
} as const;
