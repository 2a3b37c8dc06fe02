/** How the tools of this tier end: what they say to a mistake of whoever called, and their exit codes. */

/** A mistake of whoever called. */
export class UsageError extends Error {}

/**
 * Ends the process as a tool does: with the code that `tool` returns, 2 with the usage after a mistake of the caller, 1 after any
 * other error.
 */
export function runAsTool(tool: () => Promise<number>, usage: string): void {
  tool().then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      const mistaken =
        error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
      const text =
        error instanceof Error ? (mistaken ? error.message : (error.stack ?? error.message)) : String(error);
      process.stderr.write(mistaken ? `${text}\n${usage}` : `${text}\n`);
      process.exitCode = mistaken ? 2 : 1;
    },
  );
}
