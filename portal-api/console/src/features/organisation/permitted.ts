// The words of an organization's pages, with what each of them begins with. Not in the pages themselves: what stands
// beside a route is loaded with the frame.
import './words';

export { Permitted } from '#/app/permitted';
