import js from '@eslint/js';
import boundaries from 'eslint-plugin-boundaries';
import tseslint from 'typescript-eslint';

/** The rooms of the house and what each may call. Arrows go down only; `trace` and `protocol` are leaves that anybody may import. */
const LEAVES = ['trace', 'protocol'];
const MAY_IMPORT = {
  machine: [],
  vmm: ['machine'],
  guest: [],
  scenario: ['vmm', 'machine', 'guest'],
  run: ['scenario', 'vmm', 'machine', 'guest'],
  debug: ['run', 'scenario', 'vmm', 'machine', 'guest'],
  verbs: ['debug', 'run', 'scenario', 'vmm', 'machine', 'guest'],
  cli: ['verbs', 'debug', 'run', 'scenario', 'vmm', 'machine', 'guest'],
  extension: ['verbs', 'debug', 'run', 'scenario', 'vmm', 'machine', 'guest'],
  trace: [],
  protocol: [],
  webview: [],
};

/** Rooms whose behaviour is a function of the scenario alone, so that every run of it is the same. */
const DETERMINISTIC = ['src/machine/**/*.ts', 'src/vmm/**/*.ts', 'src/trace/record/**/*.ts'];
const NO_AMBIENT =
  'Simulated time, seeded streams and plain data only: a run must give the same trace everywhere.';

const noVscode = { name: 'vscode', message: 'Only src/extension knows the editor.' };
const noNode = {
  regex: '^node:|^(fs|path|os|worker_threads|child_process|crypto|util|events|buffer)(/|$)',
  message: 'This room runs without Node.',
};

const scriptGlobals = Object.fromEntries(
  [
    'process',
    'console',
    'setTimeout',
    'clearTimeout',
    'setInterval',
    'clearInterval',
    'URL',
    'URLSearchParams',
    'Buffer',
    'fetch',
    'AbortSignal',
    'performance',
  ].map((name) => [name, 'readonly']),
);

export default tseslint.config(
  // The vCPU core is AssemblyScript: its compiler checks it, and its types are not TypeScript's.
  { ignores: ['dist', 'artifacts', 'coverage', '.cache', 'node_modules', 'src/machine/x86/core', 'media'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // TypeScript knows better, and overloads would be reported.
      'no-undef': 'off',
      'no-constant-condition': ['error', { checkLoops: false }],
      eqeqeq: 'error',
      'no-console': 'error',
      // The decoder's enumerations are compared with columns of numbers, and objects of closures have methods that know no `this`.
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: ['it', 'describe', 'test'] },
      ],
    },
  },
  {
    files: ['src/**/*.ts', 'webview/**/*.ts'],
    plugins: { boundaries },
    settings: {
      'import/resolver': { typescript: { alwaysTryTypes: true } },
      'boundaries/include': ['src/**/*.ts', 'webview/**/*.ts'],
      'boundaries/ignore': ['src/machine/x86/core/**', 'src/types/**'],
      'boundaries/elements': Object.keys(MAY_IMPORT).map((room) => ({
        type: room,
        pattern: room === 'webview' ? 'webview' : `src/${room}`,
        partialMatch: false,
      })),
    },
    rules: {
      'boundaries/no-unknown-files': 'error',
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          message: 'Arrows go down only: {{from.element.type}} may not import {{to.element.type}}.',
          policies: Object.entries(MAY_IMPORT).map(([room, below]) => ({
            from: { element: { type: room } },
            allow: { to: { element: { type: [room, ...below, ...LEAVES] } } },
          })),
        },
      ],
    },
  },
  {
    files: ['src/**/*.ts', 'webview/**/*.ts'],
    ignores: ['src/extension/**', 'src/machine/**', 'src/vmm/**', 'webview/**'],
    rules: { 'no-restricted-imports': ['error', { paths: [noVscode] }] },
  },
  {
    files: ['src/machine/**/*.ts', 'src/vmm/**/*.ts', 'webview/**/*.ts', 'src/protocol/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: [noVscode], patterns: [noNode] }] },
  },
  {
    files: DETERMINISTIC,
    rules: {
      'no-restricted-globals': [
        'error',
        ...[
          'Date',
          'performance',
          'process',
          'setTimeout',
          'setInterval',
          'setImmediate',
          'queueMicrotask',
          'crypto',
          'Buffer',
          'window',
          'document',
        ].map((name) => ({ name, message: NO_AMBIENT })),
      ],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: NO_AMBIENT }],
    },
  },
  {
    files: ['webview/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML)$/]',
          message: 'Build elements and set textContent: names in a trace are not ours.',
        },
      ],
    },
  },
  {
    // What prints is its work there.
    files: ['src/cli/**/*.ts', 'test/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    // Functions that playwright carries into the page.
    files: ['test/support/*.mjs'],
    languageOptions: { globals: { getComputedStyle: 'readonly' } },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { globals: scriptGlobals },
    rules: {
      eqeqeq: 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
);
