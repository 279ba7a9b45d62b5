/** The plugins: each is of use by itself, and can be disabled by itself. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { notebook } from './lab/notebook';
import { notifying } from './lab/notifying';
import { panel } from './lab/panel';
import { runs } from './lab/runs';
import { status } from './lab/status';
import { workbench } from './lab/workbench';

export * from './tokens';

const plugins: JupyterFrontEndPlugin<any>[] = [workbench, panel, status, notifying, notebook, runs];
export default plugins;
