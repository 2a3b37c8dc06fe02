/** What menus, trees and other callers hand to a command: a URI, or an item of a view that stands for a scenario or a trace. */
import { Uri } from 'vscode';
import { scenarioEnding } from '../names';

/** A scenario that an argument means; undefined where it means none. */
export function scenarioOfArgument(argument: unknown): Uri | undefined {
  const uri = uriOf(argument, 'scenario');
  return uri?.path.endsWith(scenarioEnding) ? uri : undefined;
}

/** A trace that an argument means; undefined where it means none. */
export function traceOfArgument(argument: unknown): Uri | undefined {
  return uriOf(argument, 'trace');
}

/** Traces of a selection: trees hand over the item at hand and, where several are selected, all of them. */
export function tracesOfArguments(item: unknown, selection: unknown): Uri[] {
  const all: unknown[] = Array.isArray(selection) && selection.length > 0 ? selection : [item];
  return all.flatMap((each) => traceOfArgument(each) ?? []);
}

function uriOf(argument: unknown, field: 'scenario' | 'trace'): Uri | undefined {
  if (argument instanceof Uri) return argument;
  if (typeof argument !== 'object' || argument === null) return undefined;
  const { uri, ...fields } = argument as Partial<Record<'scenario' | 'trace' | 'uri', unknown>>;
  // An item of the Test Explorer has the URI of its scenario.
  const value = fields[field] ?? (field === 'scenario' ? uri : undefined);
  return value instanceof Uri ? value : undefined;
}
