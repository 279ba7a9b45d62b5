/** Says on a cell's card that the cell's source is another now than the one that was submitted. */
import type { Cell } from '@jupyterlab/cells';
import type { Trans } from '../model/words';

const submitted = new WeakMap<Cell, string>();

/** Remember what was submitted, and look whether it changes. */
export function remember(cell: Cell, trans: Trans): void {
  const first = !submitted.has(cell);
  submitted.set(cell, cell.model.sharedModel.getSource());
  mark(cell, '');
  if (first) {
    cell.model.contentChanged.connect(() => {
      const same = cell.model.sharedModel.getSource() === submitted.get(cell);
      mark(cell, same ? '' : trans.__('The cell has changed since this was submitted.'));
    });
  }
}

function mark(cell: Cell, text: string): void {
  cell.node.querySelectorAll<HTMLElement>('.jp-Sovlab-card').forEach(card => {
    if (text) {
      card.dataset.changed = text;
    } else {
      delete card.dataset.changed;
    }
  });
}
