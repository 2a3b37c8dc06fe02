/** `trapline dap`: the debug adapter over standard input and output, for editors that start it themselves. */
import type { Command } from './arguments';
import { ExitCode, type CliHost } from './host';
import { messageOf } from './run';

/** Serves one session; resolves when it is over. */
export async function serveDebugger(
  { compiler }: Extract<Command, { name: 'dap' }>,
  host: CliHost,
): Promise<ExitCode> {
  try {
    await host.serveDebugger({ ...host.environment, compiler: compiler || host.environment.compiler });
    return ExitCode.Held;
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
}
