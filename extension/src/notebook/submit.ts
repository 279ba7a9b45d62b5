/**
 * Submits a cell. Its source stays as it is. A living kernel runs `%%sovsubmit` on it, for only the kernel has the
 * notebook's variables, and what that displays is the cell's output. Without a kernel the server submits it, and
 * this page, as the one that did so, writes the card: one writer for each output.
 */
import type { CodeCell } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { CARD_MIME, type Job } from '../model/types';
import type { Workbench } from '../model/workbench';
import type { Trans } from '../model/words';
import { flags, type Place } from './place';

/** A cell that cannot be submitted, and why. */
export class NotSubmitted extends Error {}

/** Python that a kernel runs to submit a cell; what `%%sovsubmit` says in it counts, wherever the picker stands. */
export function submitCode(source: string, place: Place): string {
  const own = /^\s*%%sovsubmit\b([^\n]*)\n?([^]*)$/.exec(source);
  // What JSON writes as a text is one in Python, too.
  const [line, body] = [JSON.stringify(own ? own[1].trim() : flags(place)), JSON.stringify(`${own ? own[2] : source}\n`)];
  return [
    'get_ipython().extension_manager.load_extension("sovlab")',
    `get_ipython().run_cell_magic("sovsubmit", ${line}, ${body})`
  ].join('\n');
}

/** The magic that a cell begins with, without its percent signs; empty if it has none. */
export function magicOf(source: string): string {
  return /^\s*%%(\w+)/.exec(source)?.[1] ?? '';
}

/** The path of a notebook as the server knows it: without the drive that it is shown from. */
export function directoryOf(path: string): string {
  const local = path.replace(/^[A-Za-z0-9_-]+:/, '');
  return local.split('/').slice(0, -1).join('/');
}

/** Wait for a kernel that is about to be connected: it has the variables, and is not to be passed over. */
function connected(kernel: Kernel.IKernelConnection): Promise<void> {
  return new Promise(resolve => {
    const look = () => {
      if (kernel.connectionStatus !== 'connecting' || kernel.isDisposed || kernel.status === 'dead') {
        kernel.connectionStatusChanged.disconnect(look);
        kernel.statusChanged.disconnect(look);
        kernel.disposed.disconnect(look);
        resolve();
      }
    };
    kernel.connectionStatusChanged.connect(look);
    kernel.statusChanged.connect(look);
    kernel.disposed.connect(look);
    look();
  });
}

export class Submitter {
  constructor(
    private _workbench: Workbench,
    private _trans: Trans
  ) {
    _workbench.turned.connect((_, { row, before }) => {
      if (before !== row.state && row.ended !== null) {
        void this._rewrite(row.id);
      }
    });
  }

  /** Submit a cell to a place. */
  async submit(panel: NotebookPanel, cell: CodeCell, place: Place): Promise<void> {
    const trans = this._trans;
    const source = cell.model.sharedModel.getSource();
    const magic = magicOf(source);
    if (!source.trim()) {
      throw new NotSubmitted(trans.__('The cell is empty.'));
    }
    if (magic && magic !== 'sovsubmit') {
      throw new NotSubmitted(
        trans.__('A cell that begins with %1 cannot be submitted: the kernel runs it by itself.', `%%${magic}`)
      );
    }
    await panel.sessionContext.ready;
    const kernel = panel.sessionContext.session?.kernel ?? null;
    if (kernel) {
      await connected(kernel);
    }
    if (!kernel || kernel.status === 'dead' || kernel.connectionStatus !== 'connected') {
      await this._withoutKernel(panel, cell, source, place);
      return;
    }
    const { language_info: language } = await kernel.info;
    if (language.name !== 'python') {
      throw new NotSubmitted(trans.__('Cells of %1 cannot be submitted, only those of Python.', language.name));
    }
    const code = submitCode(source, place);
    cell.outputHidden = false;
    cell.model.trusted = true;
    const future = kernel.requestExecute({ code, store_history: false, allow_stdin: false }, false);
    cell.outputArea.future = future;
    try {
      await future.done;
    } catch {
      // Somebody else may have ended it a moment ago: this page is told of that late.
      throw new NotSubmitted(
        trans.__('The kernel ended before it answered. If there is no card, submit the cell again; it goes without a kernel, too.')
      );
    }
  }

  private async _withoutKernel(panel: NotebookPanel, cell: CodeCell, source: string, place: Place): Promise<void> {
    const { rest } = this._workbench;
    const options: Record<string, string> = {};
    if (place.target) {
      options.target = place.target;
    }
    if (place.backend) {
      options.backend = place.backend;
    }
    const { job } = await rest.submit({
      source: source.replace(/^\s*%%sovsubmit[^\n]*\n/, ''),
      label: panel.title.label.slice(0, 100),
      directory: directoryOf(panel.context.path),
      options,
      key: crypto.getRandomValues(new Uint32Array(4)).join('-')
    });
    this._written.set(job.id, { cell, target: job.target });
    // As after a run: what the cell shows from here on is of the user's own making.
    cell.model.trusted = true;
    await this._write(cell, job, null);
  }

  /** Write the card in place of all outputs, or of the one that has the same job. */
  private async _write(cell: CodeCell, job: Pick<Job, 'id' | 'target'>, index: number | null): Promise<void> {
    const { data } = await this._workbench.rest.card(job);
    const output = { output_type: 'display_data', data, metadata: {} } as unknown as IOutput;
    if (cell.isDisposed) {
      return;
    }
    const model = cell.model.sharedModel;
    const [start, end] = index === null ? [0, model.getOutputs().length] : [index, index + 1];
    model.transact(() => model.updateOutputs(start, end, [output]), false);
  }

  private async _rewrite(id: string): Promise<void> {
    const written = this._written.get(id);
    if (!written || written.cell.isDisposed) {
      return;
    }
    const outputs = written.cell.model.sharedModel.getOutputs();
    const index = outputs.findIndex(output => {
      const data = output.data as Record<string, { id?: string }> | undefined;
      return data?.[CARD_MIME]?.id === id;
    });
    this._written.delete(id);
    if (index >= 0) {
      await this._write(written.cell, { id, target: written.target }, index).catch(() => undefined);
    }
  }

  private _written = new Map<string, { cell: CodeCell; target: string }>();
}
