/**
 * Contract of the pure core (implemented beside this comment, see the brief): merge.ts, conflict.ts, reconcile.ts, plan.ts, diff.ts.
 */
export {}
