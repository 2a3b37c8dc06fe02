/** The unit and the walker differ, or the unit does not do what it was asked for. */
export class Disagreement extends Error {}
