import { Token } from '@lumino/coreutils';
import type { Workbench } from './model/workbench';

/** What this page knows of sovlab, for other extensions too. */
export type IWorkbench = Workbench;

export const IWorkbench = new Token<IWorkbench>(
  'sovlab:IWorkbench',
  'The jobs, targets and backends that the sovlab server extension tells of.'
);

/** The ids of the commands. */
export namespace CommandIDs {
  export const openPanel = 'sovlab:open-panel';
  export const openJob = 'sovlab:open-job';
  export const submitCell = 'sovlab:submit-cell';
  export const submitNotebook = 'sovlab:submit-notebook';
  export const cancelJob = 'sovlab:cancel-job';
  export const refresh = 'sovlab:refresh';
}
