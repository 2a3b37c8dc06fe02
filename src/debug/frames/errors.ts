/** What a debugger cannot do or tell at this place. The message is a sentence for the person who asked. */
export class DebugError extends Error {
  override readonly name: string = 'DebugError';
}

/** The compiler has not kept a value at this place of the program. */
export class OptimisedOutError extends DebugError {}

/** A pointer has no value, since what it points to lies in no memory; what that is may still be known. */
export class ImplicitPointerError extends DebugError {
  constructor() {
    super('It has no value: it points to something that the compiler keeps in no memory.');
  }
}
