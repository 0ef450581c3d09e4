// A click on a card, or Enter on it, tells the server which face it is.
element.addEventListener('click', event => {
    const card = event.target.closest('[data-face]');
    if (card) trigger('select', {index: Number(card.dataset.face)});
});
