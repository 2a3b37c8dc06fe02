/** Style sheets are bundled by the build, not read by the page's code. */
declare module '*.css';
