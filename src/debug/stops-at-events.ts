/** Stops at kinds of events: exception filters, and queries that a timeline or a console asks for. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { DebugErrorId, type DebugRequests } from '../protocol/debug';
import type { PointHit } from '../run/control/control';
import { describeRow } from './describe-row';
import type { Handlers, SessionContext } from './context';
import { listOf, RequestError, textOf } from './errors';
import { exceptionFilters, queryOfFilter } from './exception-filters';
import type { PointOwner } from './points';
import { parseLiveQuery, QueryError } from '../trace/query/query';

type Arguments<K extends keyof DebugRequests> = DebugRequests[K]['arguments'];

export class StopsAtEvents {
  private readonly own = new Map<number, string>();
  private nextId = 1;

  constructor(private readonly context: SessionContext) {}

  readonly handlers: Handlers = {
    setExceptionBreakpoints: (args: DebugProtocol.SetExceptionBreakpointsArguments) => {
      const plain = (Array.isArray(args.filters) ? args.filters : []).map((filterId) => ({ filterId }));
      const wanted: readonly DebugProtocol.ExceptionFilterOptions[] = [
        ...plain,
        ...listOf(args.filterOptions, 'filterOptions'),
      ];
      return { body: { breakpoints: this.replaceFilters(wanted) } };
    },
    'trapline/stopAt': ({ query }: Arguments<'trapline/stopAt'>) => {
      checkQuery(textOf(query, 'A query'));
      const id = this.nextId++;
      this.own.set(id, query);
      this.setOwn();
      return { body: { id } };
    },
    'trapline/clearStopAt': ({ id }: Arguments<'trapline/clearStopAt'>) => {
      if (id === undefined) this.own.clear();
      else this.own.delete(id);
      this.setOwn();
      return { body: {} };
    },
  };

  private replaceFilters(
    wanted: readonly DebugProtocol.ExceptionFilterOptions[],
  ): DebugProtocol.Breakpoint[] {
    const queries: { query: string; title: string }[] = [];
    const answers = wanted.map(({ filterId, condition }): DebugProtocol.Breakpoint => {
      const query = queryOfFilter(filterId, typeof condition === 'string' ? condition : '');
      if (query === undefined)
        return { verified: false, message: `There is no filter “${String(filterId)}”.` };
      try {
        parseLiveQuery(query);
      } catch (error) {
        if (!(error instanceof QueryError)) throw error;
        return { verified: false, message: error.message };
      }
      const title = exceptionFilters.find(({ filter }) => filter === filterId)?.label ?? query;
      queries.push({ query, title });
      return { verified: true };
    });
    this.context.points.replace(
      'filters',
      queries.map(({ query, title }) => ({ place: { kind: 'event', query }, owner: this.ownerOf(title) })),
    );
    return answers;
  }

  private setOwn(): void {
    this.context.points.replace(
      'queries',
      [...this.own.values()].map((query) => ({
        place: { kind: 'event', query },
        owner: this.ownerOf(query),
      })),
    );
  }

  private ownerOf(title: string): PointOwner {
    return {
      reason: 'exception',
      tell: (hit: PointHit) => `${title}: ${describeRow(this.context.debuggee, hit.row)}`,
    };
  }
}

/** @throws RequestError with the place in the query */
export function checkQuery(query: string): void {
  try {
    parseLiveQuery(query);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    throw new RequestError(error.message, DebugErrorId.Expression);
  }
}
