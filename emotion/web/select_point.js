// A click in the picture tells the server where, in its pixels; "Another picture" gives the focus back to the zone.
element.addEventListener('click', event => {
    const { target } = event;
    if (target.closest('[data-another]')) {
        trigger('another');
        // The zone is hidden as long as there is a picture.
        element.replaceChildren();
        document.querySelector('#photo-zone [data-part=choose]').focus();
    } else if (target.matches('img')) {
        const scale = target.naturalWidth / target.clientWidth;
        trigger('point', {index: [event.offsetX * scale, event.offsetY * scale]});
    }
});
