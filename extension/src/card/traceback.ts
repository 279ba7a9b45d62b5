/** A traceback as text, with the line that raised and the error's name marked. */
import { h } from './dom';

export function traceback(text: string, type: string): HTMLElement {
  const block = h('pre', { class: 'jp-Sovlab-traceback', tabindex: 0 });
  const kind = type.replace(/[^\w.]/g, '') || 'Error';
  const named = new RegExp(`^(?:[\\w.]+\\.)?${kind.replace(/\./g, '\\.')}(?=:|$)`);
  for (const line of text.split('\n').slice(0, 400)) {
    const match = named.exec(line);
    if (/^-+> *\d+/.test(line)) {
      block.append(h('strong', {}, line));
    } else if (match) {
      block.append(h('strong', {}, match[0]), line.slice(match[0].length));
    } else {
      const where = /^(\S.*, line \d+)(, in .+)?$/.exec(line);
      if (where) {
        block.append(where[1], h('span', { class: 'jp-Sovlab-quiet' }, where[2] ?? ''));
      } else {
        block.append(line);
      }
    }
    block.append('\n');
  }
  return block;
}
