/** The card as an anywidget: for front ends that run no extension of JupyterLab. Its other end is in the kernel. */
import { Card } from '../card/card';
import { h } from '../card/dom';
import { english } from '../model/words';
import { KernelHost, type Model } from './host';
import { sanitize } from './sanitizer';

const WATCHED = ['card', 'html', 'readings'];

/** Show the job of a model in an element; what comes back ends that. */
export function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const host = new KernelHost(model, english);
  const card = new Card({ trans: english, sanitizer: { sanitize }, host });
  const place = h('div', { class: 'jp-Sovlab jp-Sovlab-rendered jp-Sovlab-widget' }, card.node);
  let asked = false;
  const show = () => {
    if (!card.set(model.get('card'), model.get('html'), true)) {
      place.replaceChildren(english.__('This output says that it is the card of a job, and is none.'));
    } else if (card.node.parentNode !== place) {
      place.replaceChildren(card.node);
    }
    card.paint();
  };
  const take = () => {
    asked = false;
    show();
    host.take();
  };
  // What is sent together changes one after the other.
  const changed = () => {
    if (!asked) {
      asked = true;
      queueMicrotask(take);
    }
  };
  WATCHED.forEach(name => model.on(`change:${name}`, changed));
  show();
  el.append(place);
  return () => {
    WATCHED.forEach(name => model.off(`change:${name}`, changed));
    card.dispose();
    host.dispose();
    place.remove();
  };
}

export default { render };
