export { AFTER_PAUSE_MS, isPausedSince, startDeadline, withDeadline, type Cancel } from './deadline.js';
export { PacedTransfer } from './loop-turns.js';
export { StallWatch, stallCheckMs, unlessHeard } from './stall-watch.js';
export { atTurnEnd, holdUntilTurnEnd } from './turn-end.js';
