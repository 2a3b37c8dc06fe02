/** What a C expression is made of. */
import type { BinaryOperator, UnaryOperator } from './arithmetic';
import type { IntegerLiteral } from './lexer';
import type { BasicTypes } from './types';

/** A type as it is written; names are looked up when the expression is evaluated. */
export type TypeSyntax =
  | { readonly kind: 'basic'; readonly name: keyof BasicTypes | 'void' }
  /** `u32`, `struct ring`. */
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'typeof'; readonly operand: Node }
  | { readonly kind: 'pointer'; readonly target: TypeSyntax }
  | { readonly kind: 'array'; readonly element: TypeSyntax; readonly count: number | undefined }
  | {
      readonly kind: 'function';
      readonly result: TypeSyntax;
      readonly parameters: readonly TypeSyntax[];
      readonly variadic: boolean;
    };

/** Operators of two operands of which the second may not be worked out. */
export type LogicalOperator = '&&' | '||';

/** A node of the tree. */
export type Node =
  | ({ readonly kind: 'integer' } & IntegerLiteral)
  | { readonly kind: 'float'; readonly value: number; readonly suffix: '' | 'f' | 'l' }
  | { readonly kind: 'character'; readonly value: bigint }
  | { readonly kind: 'string'; readonly bytes: Uint8Array }
  | { readonly kind: 'name'; readonly name: string }
  /** `scope::name`; the scope is a file or a function. */
  | { readonly kind: 'scoped'; readonly scope: string; readonly name: string }
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Node }
  | { readonly kind: 'address'; readonly operand: Node }
  | { readonly kind: 'dereference'; readonly operand: Node }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Node; readonly right: Node }
  | {
      readonly kind: 'logical';
      readonly operator: LogicalOperator;
      readonly left: Node;
      readonly right: Node;
    }
  | { readonly kind: 'array'; readonly first: Node; readonly count: Node }
  | { readonly kind: 'comma'; readonly left: Node; readonly right: Node }
  | { readonly kind: 'conditional'; readonly condition: Node; readonly yes: Node; readonly no: Node }
  | { readonly kind: 'cast'; readonly type: TypeSyntax; readonly operand: Node }
  | { readonly kind: 'sizeof'; readonly operand: Node }
  | { readonly kind: 'sizeof-type'; readonly type: TypeSyntax }
  | { readonly kind: 'member'; readonly object: Node; readonly name: string; readonly arrow: boolean }
  | { readonly kind: 'index'; readonly array: Node; readonly index: Node }
  /** `operator`: of `+=` and its kin. */
  | {
      readonly kind: 'assignment';
      readonly target: Node;
      readonly operator: BinaryOperator | undefined;
      readonly value: Node;
    }
  /** `++` and `--`. */
  | {
      readonly kind: 'step';
      readonly target: Node;
      readonly operator: '+' | '-';
      readonly isPrefix: boolean;
    };
