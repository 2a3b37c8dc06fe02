/** What `depcruise` looks for in `npm run lint`: files that import each other in a circle, whether values or types. */
module.exports = {
  forbidden: [
    {
      name: 'no-circle',
      comment:
        'Two files that need each other are one thing in two places, or have a third in common: give that a file.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true, // imports of types are imports too
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|artifacts)/|^esbuild\\.mjs$' }, // a package's name is taken for the script of that name
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
