/** Expressions: watch, hover, the console, and what changes by them. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Handlers, SessionContext } from './context';
import { RequestError, textOf, wholeNumber } from './errors';
import type { Stack } from './stack';
import type { Variables } from './variables';
import type { Writer } from './writer';

/** Longest expression that is looked at. */
const MOST_CHARACTERS = 4_096;

export class Evaluation {
  constructor(
    private readonly context: SessionContext,
    private readonly stack: Stack,
    private readonly variables: Variables,
    private readonly writer: Writer,
    /** The vCPU that expressions without a frame are about. */
    private readonly cpu: () => number,
  ) {}

  readonly handlers: Handlers = {
    evaluate: (args: DebugProtocol.EvaluateArguments) => ({ body: this.evaluate(args) }),
    setExpression: (args: DebugProtocol.SetExpressionArguments) => ({ body: this.setExpression(args) }),
    completions: (args: DebugProtocol.CompletionsArguments) => ({
      body: { targets: this.completions(args) },
    }),
  };

  private evaluate({ expression, frameId, context, format }: DebugProtocol.EvaluateArguments) {
    const text = this.text(expression);
    const frame = this.stack.frameOf(frameId, this.cpu());
    const { language } = this.context.debuggee;
    // What changes something is for the console alone: a watch is evaluated at every stop.
    if (context === 'repl' && this.writer.assign(frame, text)) return { result: '', variablesReference: 0 };
    const shown = language.evaluate(frame, text, { hex: format?.hex === true });
    if (context === 'clipboard') return { result: shown.text, variablesReference: 0 };
    return asResult(this.variables.shown(shown, frame));
  }

  private setExpression({ expression, value, frameId }: DebugProtocol.SetExpressionArguments) {
    const frame = this.stack.frameOf(frameId, this.cpu());
    const target = this.text(expression);
    this.writer.assign(frame, `(${target}) = (${this.text(value)})`);
    return this.variables.again(frame, target);
  }

  private completions({ frameId, text, column }: DebugProtocol.CompletionsArguments) {
    const frame = this.stack.frameOf(frameId, this.cpu());
    const { language } = this.context.debuggee;
    const at = this.context.fromClientColumn(wholeNumber(column, 'A column')) - 1;
    const types = {
      variable: 'variable',
      function: 'function',
      member: 'field',
      constant: 'enum',
      register: 'keyword',
    } as const;
    return language.completions(frame, this.text(text), Math.max(0, at)).map((each) => ({
      label: each.label,
      start: each.start,
      length: each.length,
      type: types[each.kind],
      ...(each.detail !== undefined && { detail: each.detail }),
    }));
  }

  private text(value: unknown): string {
    const text = textOf(value, 'An expression');
    if (text.length <= MOST_CHARACTERS) return text;
    throw new RequestError(
      `An expression has at most ${MOST_CHARACTERS} characters; this one has ${text.length}.`,
    );
  }
}

function asResult<T extends { value: string }>({ value, ...rest }: T) {
  return { result: value, ...rest };
}
