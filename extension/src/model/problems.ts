/** What goes wrong, and which job is meant: without a tie to JupyterLab. */
import type { Problem } from './types';

/** What the server said of a request that it did not carry out. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.hint ? `${problem.detail} ${problem.hint}` : problem.detail);
    this.name = 'ProblemError';
  }
}

/** Which job is meant. */
export interface JobKey {
  id: string;
  target: string;
}
